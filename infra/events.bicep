// What Azure tells of: Key Vault, a container registry, Azure Resource Manager, and a topic of our own that CI/CD sends to. All as
// CloudEvents, to the Event Grid trigger, or to a queue where the network is private; what cannot be delivered is kept.
param location string
param tags object
param token string
param privateNetwork bool
param functionsDeployed bool
param functionAppId string
param deliveryIdentityId string
param functionsPrincipalId string
param hostAccountId string
param recordsAccountId string
param eventsQueueName string
param deadLetterContainerName string
param vaultId string
param registryId string
param registryLocation string
param watchedOperations array
param workspaceId string

var eventGridDataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'
var functionName = 'deploymentEvents'
var subscribed = privateNetwork || functionsDeployed
var watchesRegistry = !empty(registryId)

var deliveryIdentity = {
  type: 'UserAssigned'
  userAssignedIdentity: deliveryIdentityId
}

// Seven days for a queue: as long as Event Grid would try twice over.
var delivery = privateNetwork
  ? {
      deliveryWithResourceIdentity: {
        identity: deliveryIdentity
        destination: {
          endpointType: 'StorageQueue'
          properties: {
            resourceId: hostAccountId
            queueName: eventsQueueName
            queueMessageTimeToLiveInSeconds: 604800
          }
        }
      }
    }
  : {
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: '${functionAppId}/functions/${functionName}'
          maxEventsPerBatch: 1
          preferredBatchSizeInKilobytes: 64
        }
      }
    }

var common = union(delivery, {
  eventDeliverySchema: 'CloudEventSchemaV1_0'
  retryPolicy: {
    maxDeliveryAttempts: 30
    eventTimeToLiveInMinutes: 1440
  }
  deadLetterWithResourceIdentity: {
    identity: deliveryIdentity
    deadLetterDestination: {
      endpointType: 'StorageBlob'
      properties: {
        resourceId: recordsAccountId
        blobContainerName: deadLetterContainerName
      }
    }
  }
})

var identity = {
  type: 'UserAssigned'
  userAssignedIdentities: {
    '${deliveryIdentityId}': {}
  }
}

resource vaultTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-vault-${token}'
  location: location
  tags: tags
  identity: identity
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource vaultSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (subscribed) {
  parent: vaultTopic
  name: 'certificates'
  properties: union(common, {
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.CertificateNewVersionCreated'
        'Microsoft.KeyVault.CertificateNearExpiry'
        'Microsoft.KeyVault.CertificateExpired'
      ]
    }
  })
}

resource registryTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (watchesRegistry) {
  name: 'evgt-registry-${token}'
  location: registryLocation
  tags: tags
  identity: identity
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

resource registrySubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (watchesRegistry && subscribed) {
  parent: registryTopic
  name: 'images'
  properties: union(common, {
    filter: {
      includedEventTypes: ['Microsoft.ContainerRegistry.ImagePushed']
    }
  })
}

resource resourcesTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-resources-${token}'
  location: 'global'
  tags: tags
  identity: identity
  properties: {
    source: subscription().id
    topicType: 'Microsoft.Resources.Subscriptions'
  }
}

resource resourcesSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (subscribed) {
  parent: resourcesTopic
  name: 'writes'
  properties: union(common, {
    filter: {
      includedEventTypes: [
        'Microsoft.Resources.ResourceWriteSuccess'
        'Microsoft.Resources.ResourceActionSuccess'
      ]
      advancedFilters: [
        {
          operatorType: 'StringBeginsWith'
          key: 'data.operationName'
          values: watchedOperations
        }
      ]
    }
  })
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-meshwright-${token}'
  location: location
  tags: tags
  identity: identity
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

resource topicSubscription 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = if (subscribed) {
  parent: topic
  name: 'deployments'
  properties: union(common, {
    filter: {
      includedEventTypes: ['Meshwright.Deployment.Requested']
    }
  })
}

@description('What was decided is told to whoever subscribes to the topic.')
resource topicRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, functionsPrincipalId, eventGridDataSender)
  scope: topic
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventGridDataSender)
  }
}

resource topicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: topic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
      { category: 'PublishFailures', enabled: true }
    ]
  }
}

resource vaultTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vaultTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

resource registryTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (watchesRegistry) {
  name: 'to-workspace'
  scope: registryTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

resource resourcesTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: resourcesTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

output topicId string = topic.id
output topicEndpoint string = topic.properties.endpoint
