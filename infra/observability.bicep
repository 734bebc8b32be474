// Where telemetry goes, and the table that the journal is streamed into for auditors. Nobody writes here with a key.
param location string
param tags object
param token string
param retentionDays int
param functionsPrincipalId string

var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

// One row a commit: what the journal holds, so that a query can follow the chain of hashes.
var journalColumns = [
  { name: 'TimeGenerated', type: 'datetime' }
  { name: 'CommittedAt', type: 'datetime' }
  { name: 'Stream', type: 'string' }
  { name: 'Version', type: 'long' }
  { name: 'DeliveryId', type: 'string' }
  { name: 'Actor', type: 'string' }
  { name: 'Events', type: 'dynamic' }
  { name: 'Message', type: 'string' }
  { name: 'Evidence', type: 'dynamic' }
  { name: 'PreviousHash', type: 'string' }
  { name: 'Hash', type: 'string' }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    features: {
      disableLocalAuth: true
    }
  }
}

resource telemetry 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource journalTable 'Microsoft.OperationalInsights/workspaces/tables@2025-02-01' = {
  parent: workspace
  name: 'MeshwrightJournal_CL'
  properties: {
    plan: 'Analytics'
    schema: {
      name: 'MeshwrightJournal_CL'
      columns: journalColumns
    }
  }
}

resource journalRule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: 'dcr-journal-${token}'
  location: location
  tags: tags
  kind: 'Direct'
  properties: {
    streamDeclarations: {
      'Custom-MeshwrightJournal_CL': {
        columns: journalColumns
      }
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspace.id
        }
      ]
    }
    dataFlows: [
      {
        streams: ['Custom-MeshwrightJournal_CL']
        destinations: ['workspace']
        transformKql: 'source'
        outputStream: 'Custom-MeshwrightJournal_CL'
      }
    ]
  }
  dependsOn: [
    journalTable
  ]
}

@description('The functions send their telemetry with a token of their identity.')
resource telemetryRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(telemetry.id, functionsPrincipalId, monitoringMetricsPublisher)
  scope: telemetry
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

@description('The functions stream the journal into its table.')
resource journalRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(journalRule.id, functionsPrincipalId, monitoringMetricsPublisher)
  scope: journalRule
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

output workspaceId string = workspace.id
output telemetryConnectionString string = telemetry.properties.ConnectionString
output journalIngestionEndpoint string = journalRule.properties.endpoints.logsIngestion
output journalRuleId string = journalRule.properties.immutableId
output journalStreamName string = 'Custom-${journalTable.name}'
